namespace Hearth.Runtime.Gguf;

/// <summary>An array of strings as a file holds it: bytes in one block. A large vocabulary takes a tenth of what strings would.</summary>
internal sealed class GgufStringList
{
    private readonly byte[] _bytes;
    private readonly int[] _starts;

    /// <param name="bytes">All strings, one after another.</param>
    /// <param name="starts">Where each begins, and where the last ends: rising, from 0 to the length of bytes.</param>
    public GgufStringList(byte[] bytes, int[] starts) => (_bytes, _starts) = (bytes, starts);

    /// <summary>Takes the bytes of strings.</summary>
    /// <exception cref="OverflowException">They have 2 GiB together.</exception>
    public GgufStringList(string[] strings)
    {
        var texts = Array.ConvertAll(strings, GgufText.GetBytes);
        _bytes = new byte[texts.Aggregate(0, (sum, text) => checked(sum + text.Length))];
        _starts = new int[strings.Length + 1];
        for (var i = 0; i < texts.Length; i++)
        {
            texts[i].CopyTo(_bytes, _starts[i]);
            _starts[i + 1] = _starts[i] + texts[i].Length;
        }
    }

    /// <summary>How many strings there are.</summary>
    public int Count => _starts.Length - 1;

    /// <summary>Bytes of all strings.</summary>
    public int ByteCount => _bytes.Length;

    /// <summary>A string's bytes: UTF-8 in most files.</summary>
    public ReadOnlySpan<byte> this[int index] => _bytes.AsSpan(_starts[index].._starts[index + 1]);

    /// <summary>The strings, decoded anew at every call.</summary>
    public string[] ToArray()
    {
        var strings = new string[Count];
        for (var i = 0; i < strings.Length; i++)
            strings[i] = GgufText.FromBytes(this[i]);
        return strings;
    }
}
