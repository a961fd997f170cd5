"""La tabla de `docs/fiabilidad.md`."""

import re
from pathlib import Path


def test_the_table_for_users_names_real_tests() -> None:
    """Cada prueba que nombra `docs/fiabilidad.md` existe."""
    tests = Path(__file__).parents[1]
    table = (tests.parent / "docs" / "fiabilidad.md").read_text()
    modules = {f"/{path.relative_to(tests)}": path.read_text() for path in tests.rglob("test_*.py")}
    for module, name in re.findall(r"`(?:([\w/]+\.py)::)?(test_\w+)`", table):
        named = [text for file, text in modules.items() if not module or file.endswith(f"/{module}")]
        assert any(f"def {name}(" in text for text in named), f"{module or 'ningún archivo'}: {name}"
