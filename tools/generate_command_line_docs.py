#!/usr/bin/env python3
"""Writes docs/command_line.md from the program's own help texts.

    tools/generate_command_line_docs.py [--check] [BINARY]     (default: build/release/fathom)

With --check it writes nothing and fails when the page is not what it would write.
"""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "command_line.md"

HEAD = """# Command line

Made from the program's own help by `tools/generate_command_line_docs.py`; do not edit.

With `--json` a command prints exactly one object on standard output, with `"schema": 1`, and everything else on standard
error; an error is `{"schema": 1, "error": {"code", "message"}}` on standard output. A field that has no number (an error
that is NaN, say) is `null`. Environment variables: [environment.md](environment.md).

Output files appear under their name complete or not at all: they are written beside it, synced and renamed. An interrupt
removes what was begun.
"""


def run(binary, *arguments):
    done = subprocess.run([str(binary), *arguments, "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["help"]


def verbs_of(help_text):
    """The names under "Verbs:"."""
    lines = iter(help_text.splitlines())
    for line in lines:
        if line == "Verbs:":
            break
    names = []
    for line in lines:
        if not line.startswith("  "):
            break
        names.append(line.split()[0])
    return names


def without_common_flags(help_text):
    """The flags of every verb are listed once, for `fathom` itself."""
    parts = help_text.split("\n\n")
    return "\n\n".join(part for part in parts if not part.startswith("Flags of every verb:"))


def sections(binary, path=()):
    help_text = run(binary, *path, "--help")
    text = help_text if not path else without_common_flags(help_text)
    yield f"## {' '.join(('fathom',) + path)}\n\n```text\n{text.strip()}\n```\n"
    for verb in verbs_of(help_text):
        yield from sections(binary, path + (verb,))


def main():
    arguments = sys.argv[1:]
    check = "--check" in arguments
    others = [argument for argument in arguments if argument != "--check"]
    binary = pathlib.Path(others[0]) if others else ROOT / "build" / "release" / "fathom"
    page = "\n".join([HEAD, *sections(binary)])
    if not check:
        PAGE.write_text(page)
        return 0
    if PAGE.exists() and PAGE.read_text() == page:
        print("docs/command_line.md is up to date")
        return 0
    print("docs/command_line.md is not what the program says; run tools/generate_command_line_docs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
