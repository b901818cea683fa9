#!/usr/bin/env python3
"""Fails when the tracked files hold what they must not: paths of one machine, links to nowhere, things that were built.

    tools/check_tree.py [ROOT]
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A path that exists on one machine only. The marks around the names keep this line from matching itself.
MACHINE_PATH = re.compile(r"(?<![\w.~}-])/(?:work|root|home|mnt|scratch)/[\w.]")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
BUILT = re.compile(r"(^|/)(build|dist|\.venv|__pycache__)/|\.(o|a|so|pyc|cubin|whl)$")
LARGEST_FILE_BYTES = 1 << 20  # a picture or a result table fits; a binary does not
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def tracked_files(root):
    listing = subprocess.run(["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"],
                             check=True, capture_output=True, text=True).stdout
    return sorted(path for path in set(listing.splitlines()) if (root / path).is_file())


def anchors_of(text):
    """The anchors that a Markdown page's headings get."""
    headings = re.findall(r"^#+\s+(.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def check_links(root, path, text):
    problems = []
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue  # another site: not for a test that runs without a network
        file, _, anchor = target.partition("#")
        page = (root / path).parent / file if file else root / path
        if not page.exists():
            problems.append(f"{path}: links to {target}, which does not exist")
        elif anchor and page.suffix == ".md" and anchor not in anchors_of(page.read_text()):
            problems.append(f"{path}: links to {target}; {page.name} has no such heading")
    return problems


def check_file(root, path):
    problems = []
    if BUILT.search(path):
        problems.append(f"{path}: was built; it does not belong into the repository")
    data = (root / path).read_bytes()
    if len(data) > LARGEST_FILE_BYTES:
        problems.append(f"{path}: has {len(data)} bytes; the limit is {LARGEST_FILE_BYTES}")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return problems
    if text and not text.endswith("\n"):
        problems.append(f"{path}: does not end with a newline")
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE_PATH.search(line):
            problems.append(f"{path}:{number}: names a path of one machine: {line.strip()}")
        if UNFINISHED.search(line) and path != "tools/check_tree.py":
            problems.append(f"{path}:{number}: unfinished: {line.strip()}")
        if line != line.rstrip() and not path.endswith(".md"):
            problems.append(f"{path}:{number}: trailing space")
    if path.endswith(".md"):
        problems += check_links(root, path, text)
    return problems


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    paths = tracked_files(root)
    problems = [problem for path in paths for problem in check_file(root, path)]
    for problem in problems:
        print(problem)
    print(f"check_tree: {len(paths)} files, {len(problems)} problems")
    return 1 if problems or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
