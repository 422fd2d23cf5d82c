"""What pyproject.toml cannot say: a wheel holds the session page, and nothing of an earlier build."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PAGE = Path("serving/web/dist/index.html")


class BuildWithPage(build_py):
    """Builds the modules and the page from an empty folder."""

    def run(self) -> None:
        """Build. Raises SystemExit if the page is not built."""
        if not self.editable_mode:
            if not PAGE.is_file():
                raise SystemExit("the session page is not built; run `make page` first, then build the wheel")
            shutil.rmtree(self.build_lib, ignore_errors=True)  # setuptools keeps what was removed meanwhile
        super().run()


setup(cmdclass={"build_py": BuildWithPage})
