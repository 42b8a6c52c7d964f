"""One small answer from a device in the user's network: bounded in time, in size and in where it comes from.

Loaded only when a meter is asked: what it imports takes longer than many commands.
"""

from __future__ import annotations

from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request

from energywrap.errors import printable
from energywrap.sources.polled import NoAnswer
from energywrap.transport import left_s, opener

MOST_BYTES = 65536
MOST_WORDS = 120  # of a stranger's message


def get_json(url: str, until_s: float) -> object:
    """The JSON at `url`, by `until_s` of the monotonic clock. Raises NoAnswer."""
    import json

    try:
        with opener(until_s, near=True).open(Request(url), timeout=left_s(until_s)) as response:
            told = response.read(MOST_BYTES + 1)
        if len(told) > MOST_BYTES:
            raise NoAnswer(f"it answers with more than {MOST_BYTES} bytes")
        text = told.decode("utf-8", "replace")
        return json.loads(text[max(0, text.find("{")) :])  # old Tasmota puts "STATUS8 = " in front
    except HTTPError as err:
        err.close()
        raise NoAnswer(f"it answers HTTP {err.code}") from err
    except (OSError, HTTPException) as err:
        raise NoAnswer(f"it does not answer: {printable(str(err) or repr(err))[:MOST_WORDS]}") from err
    except (ValueError, RecursionError) as err:
        raise NoAnswer("its answer is no JSON") from err
