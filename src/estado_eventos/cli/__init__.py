"""Los mandatos: entienden lo tecleado, llaman a los demás y acaban con un código."""
