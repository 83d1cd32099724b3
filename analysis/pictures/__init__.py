"""Pictures: marks on axes, drawn by Matplotlib into files and by plotly into the page."""
