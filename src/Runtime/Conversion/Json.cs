using System.Text.Json;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Conversion;

/// <summary>A JSON value of a checkpoint's folder: absent and null are alike, and a wrong type is told with file and place.</summary>
internal sealed class Json
{
    // A tokenizer of 250,000 tokens takes some 30 MB.
    private const int LargestFile = 1 << 28;

    private readonly JsonElement _element;

    private Json(JsonElement element, string file, string place) => (_element, File, Place) = (element, file, place);

    /// <summary>The file that the value is from.</summary>
    public string File { get; }

    /// <summary>Where in the file, as in <c>model.vocab</c>; empty for the whole.</summary>
    public string Place { get; }

    /// <summary>The member of an object; null where this is no object or has no such member.</summary>
    public Json? this[string key]
        => _element.ValueKind == JsonValueKind.Object && _element.TryGetProperty(key, out var member) && member.ValueKind != JsonValueKind.Null
            ? new Json(member, File, Place.Length == 0 ? key : $"{Place}.{key}") : null;

    public bool IsText => _element.ValueKind == JsonValueKind.String;

    public bool IsNumber => _element.ValueKind == JsonValueKind.Number;

    public bool IsList => _element.ValueKind == JsonValueKind.Array;

    public bool IsObject => _element.ValueKind == JsonValueKind.Object;

    /// <summary>A string.</summary>
    /// <exception cref="ModelFormatException">It is none, or no valid text.</exception>
    public string Text
    {
        get
        {
            if (!IsText)
                throw Fault("a string");
            try
            {
                return _element.GetString()!;
            }
            catch (InvalidOperationException exception)
            {
                throw new ModelFormatException($"{Place} holds a string that is no valid text", File, innerException: exception);
            }
        }
    }

    /// <summary>A whole number.</summary>
    /// <exception cref="ModelFormatException">It is none within 64 bits.</exception>
    public long Integer
        => IsNumber && _element.TryGetInt64(out var value) ? value
            : IsNumber && _element.TryGetDouble(out var real) && Math.Abs(real) < 1L << 53 && Math.Floor(real) == real ? (long)real
            : throw Fault("a whole number");

    /// <summary>A number.</summary>
    /// <exception cref="ModelFormatException">It is none, or not finite.</exception>
    public double Number => IsNumber && _element.TryGetDouble(out var value) && double.IsFinite(value) ? value : throw Fault("a finite number");

    /// <summary>A truth value.</summary>
    /// <exception cref="ModelFormatException">It is none.</exception>
    public bool Flag => _element.ValueKind is JsonValueKind.True or JsonValueKind.False ? _element.GetBoolean() : throw Fault("true or false");

    /// <summary>The elements of an array.</summary>
    /// <exception cref="ModelFormatException">It is none.</exception>
    public IEnumerable<Json> Items
        => IsList ? _element.EnumerateArray().Select((item, i) => new Json(item, File, $"{Place}[{i}]")) : throw Fault("an array");

    /// <summary>The members of an object, in the file's order.</summary>
    /// <exception cref="ModelFormatException">It is none.</exception>
    public IEnumerable<(string Name, Json Value)> Members
        => IsObject ? _element.EnumerateObject().Select(Named) : throw Fault("an object");

    /// <summary>An error about this value.</summary>
    public ModelFormatException Fault(string expected)
    {
        var found = IsObject || IsList || IsText ? $"{_element.ValueKind}" : _element.GetRawText();
        return new($"{(Place.Length == 0 ? "the file" : Place)} must be {expected}, found {found}", File);
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="ModelFormatException">It is no JSON, or larger than such files are.</exception>
    public static Json ReadFile(string path)
    {
        RegularFile.Require(path, "a file of JSON");
        var length = new FileInfo(path).Length;
        return length <= LargestFile ? Parse(System.IO.File.ReadAllBytes(path), path)
            : throw new ModelFormatException($"the file has {length} bytes, expected at most {LargestFile} of JSON", path);
    }

    /// <summary>Reads bytes.</summary>
    /// <exception cref="ModelFormatException">They are no JSON.</exception>
    public static Json Parse(ReadOnlyMemory<byte> utf8, string file)
    {
        if (utf8.Span.StartsWith("\uFEFF"u8))
            utf8 = utf8[3..];
        try
        {
            return new Json(JsonDocument.Parse(utf8).RootElement, file, "");
        }
        catch (JsonException exception)
        {
            throw new ModelFormatException($"no valid JSON: {exception.Message}", file, innerException: exception);
        }
    }

    private (string Name, Json Value) Named(JsonProperty member)
    {
        try
        {
            return (member.Name, new Json(member.Value, File, Place.Length == 0 ? member.Name : $"{Place}.{member.Name}"));
        }
        catch (InvalidOperationException exception)
        {
            throw new ModelFormatException($"{(Place.Length == 0 ? "the file" : Place)} has a member whose name is no valid text", File, innerException: exception);
        }
    }
}
