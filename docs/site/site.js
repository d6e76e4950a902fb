// Code that is wider than the page scrolls; this lets the keyboard scroll it too.
for (const block of document.querySelectorAll("pre, .table-wrapper")) block.tabIndex = 0;
