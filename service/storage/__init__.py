"""Where things are kept: control data (SQL), records (Delta Lake) and the engine over them."""
