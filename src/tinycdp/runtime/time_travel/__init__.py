"""The past and the would-be: decisions as of an instant, previews of a change."""
