/** Brings the place where one is into view, where the navigation is wider than the screen. */
export default function here(nav) {
  const link = nav.querySelector("[aria-current]");
  if (link && nav.scrollWidth > nav.clientWidth) nav.scrollLeft = link.offsetLeft - (nav.clientWidth - link.offsetWidth) / 2;
}
