// Sets the theme that the reader has chosen, light or dark. Without a choice the style sheet follows the system. A
// classic script instead of a module, so that it runs before the page is painted.
try {
  const chosen = localStorage.getItem('theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // storage may be forbidden: then the style sheet follows the system
}
