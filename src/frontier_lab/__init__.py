"""What the notebooks import: models behind the chapter's hub ids, figures, exercises, and topic modules."""
