"""What the READMEs show is run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
READMES = ["README.md", "README.zh-CN.md"]


def blocks(readme: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("readme", READMES)
def test_python_blocks_run(readme: str, tmp_path: Path) -> None:
    """Every Python block of a README runs, and writes what it says."""
    code = "\n".join(blocks(readme, "python")).replace("/var/log/shop", str(tmp_path))
    code += "\nimport logging.config\nlogging.warning('once')\nlogging.config.dictConfig(LOGGING)\nlogging.warning('twice')\n"
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "app.log").read_text().endswith("WARNING once\n")
    assert (tmp_path / "shop.log").read_text().endswith("WARNING twice\n")
    assert (tmp_path / "events.log").read_text(encoding="utf-8").count("\n") == 1


@pytest.mark.parametrize("readme", READMES)
def test_links_lead_somewhere(readme: str) -> None:
    """Every relative link of a README leads to a file of the repository."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / readme).read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_both_languages_say_the_same() -> None:
    """The two READMEs have the same code, the same figures and name the same parameters."""
    english, chinese = ((ROOT / readme).read_text(encoding="utf-8") for readme in READMES)
    assert blocks("README.md", "sh") == blocks("README.zh-CN.md", "sh")
    assert len(blocks("README.md", "python")) == len(blocks("README.zh-CN.md", "python"))
    figures = [re.findall(r"\| ([\d. %]+) \| ([\d. %]+) \| ([\d. %]+) \|", text) for text in (english, chinese)]
    assert figures[0] == figures[1]
    assert len(figures[0]) == 4
    names = [
        set(re.findall(r"`([a-zA-Z_]+)`", text)) & {"late_grace", "lock_dir", "spill_bytes", "maxBytes", "atTime", "tz", "owner"}
        for text in (english, chinese)
    ]
    assert names[0] == names[1]
    assert len(names[0]) == 7
