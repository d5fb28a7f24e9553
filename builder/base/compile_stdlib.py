"""Run by a base's own interpreter: compile the files listed on standard input, in their order.

Input is a JSON list of ``[source, destination, path in the image]``. Bytecode is of the kind that is never checked
against its source, since neither ever changes in an image. A file that is not valid for this interpreter is left
out, as ``compileall`` does.
"""

import json
import py_compile
import sys


def main() -> None:
    """Compile all of it; print the destinations that were written."""
    done = []
    for source, destination, shown in json.load(sys.stdin):
        try:
            py_compile.compile(
                source,
                cfile=destination,
                dfile=shown,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except py_compile.PyCompileError:
            continue
        done.append(destination)
    json.dump({"version": sys.version, "tag": sys.implementation.cache_tag, "done": done}, sys.stdout)


if __name__ == "__main__":
    main()
