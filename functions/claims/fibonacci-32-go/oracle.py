"""The module and the case of `fibonacci-32-go`: python3 functions/claims/fibonacci-32-go/oracle.py

The module is kept here because few machines have Go. With `go` 1.24 or later on the path, the oracle compiles it
again; go 1.27.3 made the one that is kept. Its two megabytes are Go's runtime.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from cases import TEXT, Cases, response  # noqa: E402

FOLDER = Path(__file__).resolve().parent


def compile_module() -> None:
    options = ["-trimpath", "-ldflags=-s -w -buildid="]
    target = {"GOOS": "wasip1", "GOARCH": "wasm", "CGO_ENABLED": "0"}
    command = ["go", "build", *options, "-o", f"{FOLDER.name}.wasm", "."]
    subprocess.run(command, cwd=FOLDER, env=os.environ | target, check=True)


if __name__ == "__main__":
    if shutil.which("go"):
        compile_module()
    # OEIS, A000045.
    Cases(__file__).get("n-32", "n=32", response(200, TEXT, "2178309"))
