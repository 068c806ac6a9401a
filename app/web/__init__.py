"""The page: static files, served as they are. Begin with `index.html`, then `js/main.js`."""
