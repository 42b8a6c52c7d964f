"""`python -m energywrap`."""

from energywrap._entry import main

main()
