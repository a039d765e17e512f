"""The website widget and the page that shows it."""
