// Before anything is painted: the reader's own choice of light or dark, if they made one. Without it the style sheet
// follows the system. A plain script, so that it runs at once.
try {
  const chosen = localStorage.getItem('theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // storage may be forbidden: then it is the system's
}
