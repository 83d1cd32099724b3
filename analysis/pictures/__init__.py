"""Pictures: what is drawn, stated once as marks on axes, and two ways to draw it, on paper and in a page."""
