/** Every count in the status that is not zero at rest; counters of what was dropped only grow, so they do not count. */
export function leftovers(status: object, exempt: readonly string[], path = ""): string[] {
  return Object.entries(status).flatMap(([name, value]) => {
    const here = path === "" ? name : `${path}.${name}`;
    if (name === "drops" || name === "counters" || exempt.includes(name)) return [];
    if (value instanceof Map) return leftovers(Object.fromEntries(value), exempt, here);
    if (typeof value === "object" && value !== null) return leftovers(value, exempt, here);
    return typeof value === "number" && value !== 0 ? [`${here} is ${value}`] : [];
  });
}
