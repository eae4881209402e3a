"""How a study is reported: statistics, tables, figures and the page."""
