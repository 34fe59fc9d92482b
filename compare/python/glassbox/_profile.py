# SPDX-License-Identifier: Apache-2.0
"""Profiles of one's own, from a JSON file or a dictionary, as the lines that the C library reads
(compare/profile_text.h). What they mean, and what is wrong with them, is the library's to say."""

import json
import os

from . import _library as c


def is_file(profile):
    """A path, or text that cannot be the name of a built-in profile."""
    if isinstance(profile, str):
        return "/" in profile or profile.endswith(".json")
    return isinstance(profile, os.PathLike)


def _no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise ValueError(f"\"{twice[0]}\" stands there twice")
    return dict(pairs)


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file, object_pairs_hook=_no_duplicates)
    except OSError as error:
        raise c.GlassboxError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise c.GlassboxError(f"{path}: not JSON: {error}") from error


def _line(text):
    return "".join(" " if letter < " " else letter for letter in text)


def _entries(prefix, mapping):
    for key, value in mapping.items():
        plain = isinstance(key, str) and key and not set(key) & set(". \n")
        path = prefix + (_line(key) if plain else "?")
        if isinstance(value, str):
            yield f"{path} s {_line(value)}"
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{path} n {float(value)!r}"
        elif isinstance(value, dict):
            yield f"{path} {{"
            yield from _entries(path + ".", value)
        else:
            yield f"{path} 0" if value is None else f"{path} ?"


def as_text(profile):
    """(its own name or None, what glassbox_check takes) of a name, a path, a dictionary or None."""
    if profile is None or isinstance(profile, str) and not is_file(profile):
        if profile and "\n" in profile:
            raise c.GlassboxError(f"no profile {profile!r}; known: {', '.join(c.names('profiles'))}")
        return None, profile
    label, values = "profile", profile
    if is_file(profile):
        label, values = os.fspath(profile), _read(os.fspath(profile))
    if not isinstance(values, dict):
        raise c.GlassboxError(f"{label}: a profile is a name, a JSON file or a dictionary, not {type(values).__name__}")
    lines = [f"# {_line(label)}", *_entries("", values)]
    return values.get("name"), "\n".join(lines) + "\n"
