// Objects of Intl hold memory of ICU, up to a thousand times as much as V8 counts for them. Each of them
// gets a buffer of the same size, which counts, and which ends with the object.
{
  const KIB = 1024;
  // The most that was measured of each class, rounded up: with the largest calendars and styles, and after
  // `formatRange`, which adds to the object.
  const HELD_BYTES = {
    __proto__: null,
    Collator: 4 * KIB,
    DateTimeFormat: 384 * KIB,
    DisplayNames: 4 * KIB,
    DurationFormat: 4 * KIB,
    ListFormat: 4 * KIB,
    Locale: 1 * KIB,
    NumberFormat: 8 * KIB,
    PluralRules: 8 * KIB,
    RelativeTimeFormat: 16 * KIB,
  };
  // A text of this many characters takes 38 MiB when it is normalised: a character becomes 18 at most.
  const NORMALISED_MOST = 2 ** 20;

  const { apply, construct } = Reflect;
  const { defineProperty } = Object;
  const Buffer = ArrayBuffer;
  const Refusal = RangeError;
  const held = new WeakMap();
  const hold = held.set.bind(held);

  const replace = (owner, name, value) => {
    defineProperty(owner, name, { __proto__: null, value });
  };

  for (const name in HELD_BYTES) {
    const bytes = HELD_BYTES[name];
    const Original = Intl[name];
    const Limited = new Proxy(Original, {
      __proto__: null,
      // The buffer comes first, so that nothing is made that has no room.
      construct(original, values, newTarget) {
        const buffer = new Buffer(bytes);
        const object = construct(original, values, newTarget);
        hold(object, buffer);
        return object;
      },
      apply(original, self, values) {
        const buffer = new Buffer(bytes);
        const object = apply(original, self, values);
        hold(object, buffer);
        return object;
      },
    });
    replace(Original.prototype, "constructor", Limited);
    replace(Intl, name, Limited);
  }

  // These two copy each text that they divide.
  delete Intl.Segmenter;
  delete Intl.v8BreakIterator;

  // These make a DateTimeFormat for a single use, unless they are called without arguments.
  for (const name of ["toLocaleString", "toLocaleDateString", "toLocaleTimeString"]) {
    const original = Date.prototype[name];
    const traps = {
      __proto__: null,
      apply(original, self, values) {
        if (values.length > 0) new Buffer(HELD_BYTES.DateTimeFormat);
        return apply(original, self, values);
      },
    };
    replace(Date.prototype, name, new Proxy(original, traps));
  }

  const normalise = {
    __proto__: null,
    apply(original, self, values) {
      if (self === null || self === undefined) return apply(original, self, values);
      const text = `${self}`;
      if (text.length > NORMALISED_MOST) {
        throw new Refusal(`a text of more than ${NORMALISED_MOST} characters is not normalised`);
      }
      return apply(original, text, values);
    },
  };
  replace(String.prototype, "normalize", new Proxy(String.prototype.normalize, normalise));
}
