"""What Wine lacks of Windows and Python would stumble over, on the path of each Python that tests start under Wine."""

import sys

sys.modules["_wmi"] = None  # type: ignore[assignment]  # `platform.system()` would end in a function that is not there

import _winapi  # noqa: E402

if hasattr(_winapi, "CopyFile2"):
    del _winapi.CopyFile2
