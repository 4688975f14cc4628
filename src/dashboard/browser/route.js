/**
 * A page of the dashboard, as the part of the address behind the `#` names it.
 * @typedef {{ page: string, id: string }} Route
 */

/** @returns {Route} */
export function currentRoute() {
  const [page = '', id = ''] = location.hash.replace(/^#\/?/, '').split('/');
  try {
    return { page: page || 'overview', id: decodeURIComponent(id) };
  } catch {
    return { page: 'unknown', id: '' };
  }
}

/** The address of a page. @param {string} page @param {string | number} [id] */
export function linkTo(page, id) {
  return id === undefined ? `#/${page}` : `#/${page}/${encodeURIComponent(id)}`;
}
