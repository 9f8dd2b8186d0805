"""What the READMEs show is run."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mpfhandler

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
    """The two READMEs have the same code, the same figures and links, and name the same parameters, methods and files."""
    english, chinese = ((ROOT / readme).read_text(encoding="utf-8") for readme in READMES)
    assert blocks("README.md", "sh") == blocks("README.zh-CN.md", "sh")
    assert len(blocks("README.md", "python")) == len(blocks("README.zh-CN.md", "python"))
    figures = [re.findall(r"\| ([\d. %]+) \| ([\d. %]+) \| ([\d. %]+) \|", text) for text in (english, chinese)]
    assert figures[0] == figures[1]
    assert len(figures[0]) == 5
    spans = [sorted(re.findall(r"`([!-~]+)`", text)) for text in (english, chinese)]
    assert spans[0] == spans[1]
    links = [sorted(re.findall(r"\]\(([^)]+)\)", text.replace(".zh.md", ".md"))) for text in (english, chinese)]
    assert [link for link in links[0] if link != "README.zh-CN.md"] == [link for link in links[1] if link != "README.md"]


@pytest.mark.parametrize("readme", READMES)
def test_every_parameter_is_in_the_table(readme: str) -> None:
    """The table of options names each parameter of the handler once, and no other."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    rows = [row for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) if "FileHandler" not in row]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(inspect.signature(mpfhandler.MultProcTimedRotatingFileHandler).parameters)


EXAMPLES = [f"examples/{name}/README.md" for name in ("celery_redis", "django_gunicorn", "multiprocessing_pool")]


@pytest.mark.parametrize("folder", [*READMES, *EXAMPLES])
def test_nothing_is_installed_from_an_index_that_does_not_have_it(folder: str) -> None:
    """The package is installed from the checkout that the reader has."""
    text = (ROOT / folder).read_text(encoding="utf-8")
    commands = [line for line in text.splitlines() if line.startswith("pip install")]
    assert commands
    assert [line for line in commands if "mpfhandler" in line.partition("&&")[0]] == []
