"""The stages as plain functions, one file each: survey, ingest, convert, train, evaluate, bundle, release, notify.

Importing a stage is light. TensorFlow, which takes seconds to import, is imported when a stage runs that needs it.
"""
