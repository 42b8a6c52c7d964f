"""The demo's workload: train a small neural network on the handwritten digits that scikit-learn ships."""

from __future__ import annotations

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

EPOCHS = 120


def main() -> None:
    """Train on 1,347 images of 8 x 8 pixels, test on 450, print the accuracy."""
    images, digits = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(images / 16, digits, random_state=0)
    model = MLPClassifier((256, 128), max_iter=EPOCHS, n_iter_no_change=EPOCHS, random_state=0, tol=0.0)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stopping after a fixed number of epochs is what we want
        model.fit(train_x, train_y)
    print(f"trained {model.n_iter_} epochs, test accuracy {model.score(test_x, test_y):.3f}")


if __name__ == "__main__":
    main()
