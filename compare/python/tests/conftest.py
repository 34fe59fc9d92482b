# SPDX-License-Identifier: Apache-2.0
"""The tests run on the package as it lies here, on the library that GLASSBOX_LIBRARY names or the build left."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

pytest_plugins = ["pytester", "glassbox.pytest_plugin"]
