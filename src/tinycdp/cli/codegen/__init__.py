"""`codegen`: types for the SDKs, written from the tracking plan and the flags."""
