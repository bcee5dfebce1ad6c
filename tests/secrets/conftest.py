"""The service that says other things than the emulator did lives beside the fault rows."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "faults"))
