"""Las palabras con que typer delata que una frase suya se quedó sin traducir."""

ENGLISH = {
    *("Usage", "Options", "Commands", "Arguments", "Show", "Install", "OPTIONS", "exit", "current", "default"),
    *("Choose", "from", "Missing", "Invalid", "value", "option", "such", "required", "is", "not"),
}
