using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace Hearth.Runtime.Gguf;

/// <summary>The key-value section of a GGUF file.</summary>
/// <remarks>
/// A value is one of the C# types byte, sbyte, ushort, short, uint, int, ulong, long, float, double, bool, string,
/// or an array of one of them (arrays of arrays are object arrays). Integers are converted to the integer type asked
/// for when the value fits. Immutable once built; safe to read from several threads. Arrays of strings are kept as bytes
/// and made into strings whenever they are asked for.
/// </remarks>
public sealed class GgufMetadata : IEnumerable<KeyValuePair<string, object>>
{
    private readonly Dictionary<string, object> _values;

    /// <summary>Takes the given pairs.</summary>
    /// <param name="values">Keys as in the file; values of the types listed above.</param>
    /// <param name="source">The file named in errors, or null.</param>
    public GgufMetadata(IEnumerable<KeyValuePair<string, object>> values, string? source = null)
    {
        _values = new Dictionary<string, object>(values, StringComparer.Ordinal);
        Source = source;
    }

    /// <summary>The file that the pairs came from, or null.</summary>
    public string? Source { get; }

    /// <summary>How many pairs there are.</summary>
    public int Count => _values.Count;

    /// <summary>Whether the key is present.</summary>
    public bool Contains(string key) => _values.ContainsKey(key);

    /// <summary>The value as stored, or null when absent.</summary>
    public object? Find(string key) => AsArray(_values.GetValueOrDefault(key));

    /// <summary>The value of a key that must be there.</summary>
    /// <exception cref="ModelFormatException">The key is absent or holds another type.</exception>
    public T Get<T>(string key)
        => TryGet<T>(key, out var value) ? value : throw new ModelFormatException($"metadata key '{key}' is missing", Source);

    /// <summary>The value of a key, or <paramref name="otherwise"/> when the key is absent.</summary>
    /// <exception cref="ModelFormatException">The key holds another type.</exception>
    public T Get<T>(string key, T otherwise) => TryGet<T>(key, out var value) ? value : otherwise;

    /// <summary>Looks a key up; false when absent.</summary>
    /// <exception cref="ModelFormatException">The key holds another type, or a number out of T's range.</exception>
    public bool TryGet<T>(string key, [MaybeNullWhen(false)] out T value)
    {
        if (!_values.TryGetValue(key, out var stored))
        {
            value = default;
            return false;
        }

        value = Convert<T>(key, AsArray(stored)!);
        return true;
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, object>> GetEnumerator() => _values.Select(pair => KeyValuePair.Create(pair.Key, AsArray(pair.Value)!)).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>An array of strings as bytes, as the tokenizers take it.</summary>
    /// <exception cref="ModelFormatException">The key is absent or holds another type.</exception>
    internal GgufStringList GetStrings(string key)
        => _values.GetValueOrDefault(key) as GgufStringList ?? new GgufStringList(Get<string[]>(key));

    private static object? AsArray(object? stored) => stored is GgufStringList list ? list.ToArray() : stored;

    private T Convert<T>(string key, object stored)
    {
        // The runtime lets uint[] pass for int[] in a type test; those are converted below, number by number.
        if (stored is T exact && (!typeof(T).IsArray || stored.GetType() == typeof(T)))
        {
            return exact;
        }

        object? converted = default(T) switch
        {
            int => ToInteger<int>(stored),
            uint => ToInteger<uint>(stored),
            long => ToInteger<long>(stored),
            ulong => ToInteger<ulong>(stored),
            float when stored is double wide => (float)wide,
            double when stored is float narrow => (double)narrow,
            _ => null,
        };
        if (converted is T value)
        {
            return value;
        }

        // Whole-number arrays are written with whatever width the exporter chose.
        if (typeof(T) == typeof(int[]) && stored is Array numbers && numbers.Rank == 1)
        {
            var result = new int[numbers.Length];
            for (var i = 0; i < result.Length; i++)
            {
                result[i] = ToInteger<int>(numbers.GetValue(i)!) as int?
                    ?? throw new ModelFormatException($"metadata key '{key}' must hold 32-bit integers, element {i} is {numbers.GetValue(i)}", Source);
            }

            return (T)(object)result;
        }

        throw new ModelFormatException($"metadata key '{key}' must be of type {typeof(T).Name}, found {stored.GetType().Name} {Describe(stored)}", Source);
    }

    private static object? ToInteger<T>(object stored)
        where T : struct, IBinaryInteger<T>
    {
        try
        {
            return stored switch
            {
                byte v => T.CreateChecked(v),
                sbyte v => T.CreateChecked(v),
                ushort v => T.CreateChecked(v),
                short v => T.CreateChecked(v),
                uint v => T.CreateChecked(v),
                int v => T.CreateChecked(v),
                ulong v => T.CreateChecked(v),
                long v => T.CreateChecked(v),
                _ => null,
            };
        }
        catch (OverflowException)
        {
            return null;
        }
    }

    private static string Describe(object stored) => stored is Array array ? $"of {array.Length} elements" : $"{stored}";
}
