namespace Hearth.Runtime.Templates;

/// <summary>The arguments of one call as the template wrote them.</summary>
internal sealed class CallArguments
{
    public List<object?> Positional { get; init; } = [];

    public List<KeyValuePair<string, object?>> Keywords { get; init; } = [];

    public static CallArguments Of(params object?[] values) => new() { Positional = [.. values] };
}

/// <summary>The parameters of a function, as a text: <c>"value default= / * key= *rest **named"</c>.</summary>
/// <remarks><c>name=</c> may be left out; those before <c>/</c> cannot be named; those after a lone <c>*</c> must be.</remarks>
internal sealed class Signature
{
    private readonly List<string> _names = [];
    private readonly List<bool> _optional = [];
    private readonly int _positionalOnly;
    private readonly int _positional = -1;
    private readonly bool _rest;
    private readonly bool _named;

    public Signature(string parameters)
    {
        foreach (var part in parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (part == "/")
            {
                _positionalOnly = _names.Count;
            }
            else if (part == "*")
            {
                _positional = _names.Count;
            }
            else if (part.StartsWith("**", StringComparison.Ordinal))
            {
                _named = true;
            }
            else if (part[0] == '*')
            {
                _rest = true;
                _positional = _names.Count;
            }
            else
            {
                _names.Add(part.TrimEnd('='));
                _optional.Add(part.EndsWith('='));
            }
        }

        if (_positional < 0)
            _positional = _names.Count;
    }

    public static Signature None { get; } = new("");

    /// <summary>Matches arguments with parameters as Python does.</summary>
    /// <exception cref="TemplateException">TypeError: too many, missing, unknown or doubled arguments.</exception>
    public BoundArguments Bind(string function, CallArguments arguments)
    {
        var values = new object?[_names.Count];
        Array.Fill(values, BoundArguments.Missing);
        var rest = new List<object?>();
        for (var i = 0; i < arguments.Positional.Count; i++)
        {
            if (i < _positional)
                values[i] = arguments.Positional[i];
            else if (_rest)
                rest.Add(arguments.Positional[i]);
            else
                throw Raise.Type($"{function}() takes at most {_positional} positional arguments but {arguments.Positional.Count} were given");
        }

        var named = new List<KeyValuePair<string, object?>>();
        foreach (var (name, value) in arguments.Keywords)
        {
            var at = _names.IndexOf(name, _positionalOnly);
            if (at >= 0)
            {
                if (!ReferenceEquals(values[at], BoundArguments.Missing))
                    throw Raise.Type($"{function}() got multiple values for argument '{name}'");
                values[at] = value;
            }
            else if (_named)
            {
                named.Add(new(name, value));
            }
            else
            {
                throw Raise.Type($"{function}() got an unexpected keyword argument '{name}'");
            }
        }

        for (var i = 0; i < values.Length; i++)
        {
            if (!_optional[i] && ReferenceEquals(values[i], BoundArguments.Missing))
                throw Raise.Type($"{function}() missing required argument: '{_names[i]}'");
        }

        return new BoundArguments(values, rest, named);
    }
}

/// <summary>Arguments in the order of a signature's parameters.</summary>
internal sealed class BoundArguments(object?[] values, List<object?> rest, List<KeyValuePair<string, object?>> named)
{
    public static readonly object Missing = new();

    public List<object?> Rest { get; } = rest;

    public List<KeyValuePair<string, object?>> Named { get; } = named;

    /// <summary>The argument, or none where it was left out.</summary>
    public object? this[int index] => Has(index) ? values[index] : null;

    public bool Has(int index) => !ReferenceEquals(values[index], Missing);

    public object? Or(int index, object? otherwise) => Has(index) ? values[index] : otherwise;

    public bool Bool(int index, bool otherwise = false) => Has(index) ? Comparing.IsTrue(values[index]) : otherwise;

    /// <summary>An integer argument that fits a long; larger ones saturate, as sizes and positions do.</summary>
    public long Integer(int index, long otherwise = 0) => Has(index) ? Arithmetic.ToIndex(values[index]) : otherwise;

    /// <summary>As <see cref="Integer"/>, where none counts as left out.</summary>
    public long? OptionalInteger(int index) => this[index] is null ? null : Arithmetic.ToIndex(values[index]);

    /// <summary>A string argument; anything else is a TypeError.</summary>
    public string Text(int index, string? otherwise = null)
    {
        if (!Has(index) && otherwise is not null)
            return otherwise;
        return Strings.Is(values[index], out var text) ? text : throw Raise.Type($"must be str, not {TypeNames.Of(values[index])}");
    }

    /// <summary>The same arguments, those given changed by <paramref name="change"/>.</summary>
    public BoundArguments Map(Func<object?, object?> change)
        => new([.. values.Select(v => ReferenceEquals(v, Missing) ? v : change(v))], Rest, Named);

    /// <summary>A string argument, or null where it is none or left out.</summary>
    public string? OptionalText(int index) => this[index] is null ? null : Text(index);
}

internal static class Strings
{
    /// <summary>True for strings, marked safe or not.</summary>
    public static bool Is(object? value, out string text)
    {
        switch (value)
        {
            case string s:
                text = s;
                return true;
            case MarkupValue m:
                text = m.Text;
                return true;
            default:
                text = "";
                return false;
        }
    }
}
