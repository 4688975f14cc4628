/**
 * A place in the dashboard, as it stands behind the `#` of the address.
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

/** The address of a place. @param {string} page @param {string | number} [id] */
export function linkTo(page, id) {
  return id === undefined ? `#/${page}` : `#/${page}/${encodeURIComponent(id)}`;
}
