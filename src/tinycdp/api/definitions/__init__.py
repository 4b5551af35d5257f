"""Routes for traits, segments and flags: save, publish, history and kill switches."""
