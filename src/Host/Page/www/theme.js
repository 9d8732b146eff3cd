// Before anything is drawn, so that a dark page does not begin with a white flash.
{
  const theme = localStorage.getItem('hearth.theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
}
