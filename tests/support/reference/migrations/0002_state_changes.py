"""La propia base de datos anota cada cambio de estado, en la misma sentencia que lo hace."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

_SQLITE = """
CREATE TRIGGER backend_note_state AFTER UPDATE OF state ON backend_event
BEGIN
    INSERT INTO backend_statechange (event_id, "before", "after", at)
    VALUES (NEW.id, OLD.state, NEW.state, strftime('%Y-%m-%d %H:%M:%f', 'now'));
END
"""

_POSTGRES_FUNCTION = """
CREATE FUNCTION backend_note_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO backend_statechange (event_id, "before", "after", at)
    VALUES (NEW.id, OLD.state, NEW.state, clock_timestamp());
    RETURN NULL;
END
$$
"""

_POSTGRES_TRIGGER = """
CREATE TRIGGER backend_note_state AFTER UPDATE OF state ON backend_event
FOR EACH ROW EXECUTE FUNCTION backend_note_state()
"""


def create_trigger(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Cada base de datos escribe los disparadores a su manera."""
    if editor.connection.vendor == "sqlite":
        editor.execute(_SQLITE, params=None)
    else:
        editor.execute(_POSTGRES_FUNCTION, params=None)
        editor.execute(_POSTGRES_TRIGGER, params=None)


class Migration(migrations.Migration):
    """El historial no depende de que nadie se acuerde de escribirlo."""

    dependencies = (("backend", "0001_initial"),)

    operations = (migrations.RunPython(create_trigger),)
