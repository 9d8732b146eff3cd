namespace Hearth.Runtime.Conversion;

/// <summary>Metadata being made: pairs in order of their first setting.</summary>
internal sealed class GgufPairs
{
    private readonly List<string> _order = [];
    private readonly Dictionary<string, object> _values = new(StringComparer.Ordinal);

    /// <summary>Sets a pair; a later setting wins.</summary>
    public object this[string key]
    {
        set
        {
            if (!_values.ContainsKey(key))
                _order.Add(key);
            _values[key] = value;
        }
    }

    /// <summary>The value of a key, or null.</summary>
    public object? Find(string key) => _values.GetValueOrDefault(key);

    /// <summary>All pairs.</summary>
    public IEnumerable<KeyValuePair<string, object>> InOrder => _order.Select(key => new KeyValuePair<string, object>(key, _values[key]));
}
