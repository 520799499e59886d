// First of all modules: classes name their methods by these symbols when they are defined.
const symbols = Symbol as unknown as Record<string, symbol>;

for (const name of ["dispose", "asyncDispose"]) {
  if (symbols[name] === undefined) Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) });
}
