// Whether a name matches one of several patterns (separated by blanks or commas), in which `*`
// stands for any text, as in `analysis.layers`. Nothing matches everything.
const globs = (patterns) => {
  const parts = patterns.split(/[\s,]+/).filter((part) => part);
  const forms = parts.map((part) => new RegExp("^" + part.split("*").map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*") + "$"));
  return (name) => !forms.length || forms.some((form) => form.test(name));
};
