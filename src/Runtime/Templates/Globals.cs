using System.Collections.Frozen;

namespace Hearth.Runtime.Templates;

/// <summary>The functions that every template finds: Jinja2's own, and those that Hugging Face transformers adds.</summary>
internal static class Globals
{
    /// <summary>Elements that a range may have in Jinja2's sandbox.</summary>
    private const long MaxRange = 100_000;

    public static FrozenDictionary<string, object?> All { get; } = new FunctionValue[]
    {
        new("range", new Signature("start stop= step= /"), (_, a) => Range(a), isClass: true),
        new("dict", new Signature("items= / **named"), Dict, isClass: true),
        new("namespace", new Signature("items= / **named"), (i, a) => new NamespaceValue(Dict(i, a)), isClass: true),
        new("cycler", new Signature("*items"), (_, a) => a.Rest.Count > 0
            ? new CyclerValue([.. a.Rest])
            : throw new TemplateException("RuntimeError", "at least one item has to be provided"), isClass: true),
        new("lipsum", new Signature("*rest **named"), (_, _) => throw new TemplateException("NotImplementedError", "lipsum writes random text, which no prompt can want")),
        new("joiner", new Signature("sep="), (_, a) => new JoinerValue(a.Or(0, ", ")), isClass: true),
        new("raise_exception", new Signature("message"), (i, a) => throw new TemplateException("TemplateError", Representation.Str(i, a[0]))),
        new("strftime_now", new Signature("fmt"), (i, a) => Strftime.Format(i, a.Text(0), i.Clock.GetLocalNow())),
    }.ToFrozenDictionary(f => f.Name, f => (object?)f);

    private static RangeValue Range(BoundArguments a)
    {
        var start = a.Has(1) ? a.Integer(0) : 0;
        var stop = a.Has(1) ? a.Integer(1) : a.Integer(0);
        var step = a.Integer(2, 1);
        if (step == 0)
            throw Raise.Value("range() arg 3 must not be zero");
        var range = new RangeValue(start, stop, step);
        return range.Count <= MaxRange
            ? range
            : throw Raise.Overflow($"Range too big. The sandbox blocks ranges larger than MAX_RANGE ({MaxRange}).");
    }

    private static MapValue Dict(Interpreter interpreter, BoundArguments a)
    {
        var map = new MapValue();
        if (a[0] is MapValue source)
        {
            interpreter.ChargeCollection(source.Count);
            interpreter.Charge(2L * source.Count);
            foreach (var (key, value) in source.Items)
                map.Set(key, value, interpreter);
        }
        else if (a.Has(0))
        {
            foreach (var item in Sequences.ToList(interpreter, a[0] is NamespaceValue ? null : a[0]))
            {
                var pair = Sequences.ToList(interpreter, item);
                if (pair.Count != 2)
                    throw Raise.Value($"dictionary update sequence element has length {pair.Count}; 2 is required");
                map.Set(pair[0], pair[1], interpreter);
            }
        }

        foreach (var (name, value) in a.Named)
            map.Set(name, value);
        return map;
    }
}
