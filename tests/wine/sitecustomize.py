"""What Wine lacks of Windows and Python would stumble over, on the path of each Python that tests start under Wine. What a log
says of Wine is left out, also where warnings are errors: on Windows there is no such warning.
"""

import sys
import warnings

sys.modules["_wmi"] = None  # type: ignore[assignment]  # `platform.system()` would end in a function that is not there

import _winapi  # noqa: E402

if hasattr(_winapi, "CopyFile2"):
    del _winapi.CopyFile2

warnings.filterwarnings("ignore", r".* is on wine ", RuntimeWarning)
