using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Hearth.Runtime.Gguf;

/// <summary>Describes a model file for people (text) and programs (JSON): metadata, tensors, totals.</summary>
/// <remarks>Strings of the file are escaped, so that no file can send control sequences to a terminal.</remarks>
public static class GgufDescription
{
    /// <summary>Elements of a longer array that are shown.</summary>
    private const int ShownElements = 6;

    /// <summary>Characters of a longer string that the text shows; JSON has all of them.</summary>
    private const int ShownCharacters = 100;

    private readonly record struct TypeTotal(string Name, int Tensors, long Parameters, long Bytes);

    /// <summary>Writes the description as text.</summary>
    /// <param name="file">An open file.</param>
    /// <param name="output">Takes the text.</param>
    /// <param name="tensors">Whether every tensor gets a line; else only totals by type.</param>
    /// <param name="warnings">What else there is to say of the file, a sentence each; null: nothing.</param>
    public static void WriteText(GgufFile file, TextWriter output, bool tensors = false, IReadOnlyList<string>? warnings = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(output);
        var (parameters, bytes) = Totals(file);
        output.WriteLine(Printable(file.Path));
        output.WriteLine(Invariant($"GGUF version {file.Version}, {Size(file.Length)} in {file.Files.Count} file{(file.Files.Count == 1 ? "" : "s")}, alignment {file.Alignment}"));
        output.WriteLine(Invariant($"{file.Tensors.Count} tensors, {parameters} parameters, {Size(bytes)} of tensor data, {BitsPerWeight(parameters, bytes):0.00} bits per weight"));
        output.WriteLine();
        WriteMetadata(file.Metadata, output);
        output.WriteLine();
        foreach (var warning in warnings ?? [])
            output.WriteLine("warning: " + Printable(warning));
        if (warnings is { Count: > 0 })
            output.WriteLine();
        output.WriteLine("type       tensors       parameters            bytes");
        foreach (var total in ByType(file))
            output.WriteLine(Invariant($"{total.Name,-9} {total.Tensors,8} {total.Parameters,16} {total.Bytes,16}"));
        if (!tensors)
            return;
        output.WriteLine();
        var width = file.Tensors.Select(t => Printable(t.Name).Length).DefaultIfEmpty(0).Max();
        foreach (var tensor in file.Tensors)
            output.WriteLine(Invariant($"{Printable(tensor.Name).PadRight(width)}  {GgmlTypes.Of(tensor.Type).Name,-7}  [{string.Join(", ", tensor.Shape)}]  {tensor.ByteSize} bytes"));
    }

    /// <summary>Writes the description as one JSON object.</summary>
    /// <param name="file">An open file.</param>
    /// <param name="output">Takes the JSON.</param>
    /// <param name="tensors">Whether every tensor is listed; else only totals by type.</param>
    /// <param name="warnings">What else there is to say of the file, a sentence each; null: nothing, and no member.</param>
    public static void WriteJson(GgufFile file, TextWriter output, bool tensors = false, IReadOnlyList<string>? warnings = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(output);
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.Default }))
        {
            json.WriteStartObject();
            WriteSummary(file, json);
            json.WriteStartObject("metadata");
            foreach (var (key, value) in file.Metadata)
            {
                json.WritePropertyName(key);
                WriteValue(json, value);
            }

            json.WriteEndObject();
            if (warnings is not null)
            {
                json.WriteStartArray("warnings");
                foreach (var warning in warnings)
                    json.WriteStringValue(Valid(warning));
                json.WriteEndArray();
            }

            WriteTypes(file, json);
            if (tensors)
                WriteTensors(file, json);
            json.WriteEndObject();
        }

        output.WriteLine(Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length));
    }

    private static void WriteMetadata(GgufMetadata metadata, TextWriter output)
    {
        var width = metadata.Select(p => Printable(p.Key).Length).DefaultIfEmpty(0).Max();
        foreach (var (key, value) in metadata)
            output.WriteLine(Invariant($"{Printable(key).PadRight(width)}  {TypeName(value),-13}  {Text(value)}"));
    }

    private static void WriteSummary(GgufFile file, Utf8JsonWriter json)
    {
        var (parameters, bytes) = Totals(file);
        json.WriteString("file", Valid(file.Path));
        json.WriteStartArray("files");
        foreach (var path in file.Files)
            json.WriteStringValue(Valid(path));
        json.WriteEndArray();
        json.WriteNumber("version", file.Version);
        json.WriteNumber("alignment", file.Alignment);
        json.WriteNumber("bytes", file.Length);
        json.WriteNumber("tensor_count", file.Tensors.Count);
        json.WriteNumber("tensor_bytes", bytes);
        json.WriteNumber("parameters", parameters);
        json.WriteNumber("bits_per_weight", Math.Round(BitsPerWeight(parameters, bytes), 4));
    }

    private static void WriteTypes(GgufFile file, Utf8JsonWriter json)
    {
        json.WriteStartArray("types");
        foreach (var total in ByType(file))
        {
            json.WriteStartObject();
            json.WriteString("type", total.Name);
            json.WriteNumber("tensors", total.Tensors);
            json.WriteNumber("parameters", total.Parameters);
            json.WriteNumber("bytes", total.Bytes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteTensors(GgufFile file, Utf8JsonWriter json)
    {
        json.WriteStartArray("tensors");
        foreach (var tensor in file.Tensors)
        {
            json.WriteStartObject();
            json.WriteString("name", tensor.Name);
            json.WriteString("type", GgmlTypes.Of(tensor.Type).Name);
            json.WriteStartArray("shape");
            foreach (var extent in tensor.Shape)
                json.WriteNumberValue(extent);
            json.WriteEndArray();
            json.WriteNumber("bytes", tensor.ByteSize);
            json.WriteNumber("offset", tensor.Offset);
            json.WriteString("file", Valid(tensor.File));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteValue(Utf8JsonWriter json, object value)
    {
        switch (value)
        {
            case string text: json.WriteStringValue(Valid(text)); break;
            case bool flag: json.WriteBooleanValue(flag); break;
            case float number when float.IsFinite(number): json.WriteNumberValue(number); break;
            case double number when double.IsFinite(number): json.WriteNumberValue(number); break;
            case float or double: json.WriteStringValue(Invariant($"{value}")); break;
            case ulong number: json.WriteNumberValue(number); break;
            case Array array: WriteArray(json, array); break;
            default: json.WriteNumberValue(Convert.ToInt64(value, CultureInfo.InvariantCulture)); break;
        }
    }

    /// <summary>Short arrays as they are; of long ones the type, the count and the first elements.</summary>
    private static void WriteArray(Utf8JsonWriter json, Array array)
    {
        var isLong = array.Length > ShownElements;
        if (isLong)
        {
            json.WriteStartObject();
            json.WriteString("type", TypeName(array));
            json.WriteNumber("count", array.Length);
            json.WritePropertyName("first");
        }

        json.WriteStartArray();
        foreach (var element in array.Cast<object>().Take(ShownElements))
            WriteValue(json, element);
        json.WriteEndArray();
        if (isLong)
            json.WriteEndObject();
    }

    private static string TypeName(object value) => value switch
    {
        byte => "u8",
        sbyte => "i8",
        ushort => "u16",
        short => "i16",
        uint => "u32",
        int => "i32",
        ulong => "u64",
        long => "i64",
        float => "f32",
        double => "f64",
        bool => "bool",
        string => "string",
        Array array => Invariant($"{ElementName(array.GetType().GetElementType()!)}[{array.Length}]"),
        _ => value.GetType().Name,
    };

    private static string ElementName(Type element) => Type.GetTypeCode(element) switch
    {
        TypeCode.String => "string",
        TypeCode.Object => "array",
        TypeCode.Byte => "u8",
        TypeCode.SByte => "i8",
        TypeCode.UInt16 => "u16",
        TypeCode.Int16 => "i16",
        TypeCode.UInt32 => "u32",
        TypeCode.Int32 => "i32",
        TypeCode.UInt64 => "u64",
        TypeCode.Int64 => "i64",
        TypeCode.Single => "f32",
        TypeCode.Double => "f64",
        TypeCode.Boolean => "bool",
        _ => element.Name,
    };

    private static string Text(object value) => value switch
    {
        string text => text.Length <= ShownCharacters
            ? Quoted(text)
            : Invariant($"{Quoted(text[..ShownCharacters])} … ({text.Length} characters)"),
        bool flag => flag ? "true" : "false",
        Array array => $"[{string.Join(", ", array.Cast<object>().Take(ShownElements).Select(Text))}{(array.Length > ShownElements ? ", …" : "")}]",
        _ => Invariant($"{value}"),
    };

    private static string Quoted(string text)
        => $"\"{Printable(text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal))}\"";

    /// <summary>Control and formatting characters and lone surrogates as escapes.</summary>
    internal static string Printable(string text)
    {
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
                result.Append(c).Append(text[++i]);
            else if (c == '\n')
                result.Append("\\n");
            else if (IsHidden(c))
                result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");
            else
                result.Append(c);
        }

        return result.ToString();
    }

    private static bool IsHidden(char c) => char.GetUnicodeCategory(c)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    /// <summary>Lone surrogates (bytes that were no text) become U+FFFD, as JSON has no way to say them.</summary>
    private static string Valid(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    private static (long Parameters, long Bytes) Totals(GgufFile file)
        => (file.Tensors.Sum(t => t.ElementCount), file.Tensors.Sum(t => t.ByteSize));

    private static double BitsPerWeight(long parameters, long bytes) => parameters == 0 ? 0 : 8.0 * bytes / parameters;

    private static IEnumerable<TypeTotal> ByType(GgufFile file) => file.Tensors
        .GroupBy(t => t.Type)
        .Select(g => new TypeTotal(GgmlTypes.Of(g.Key).Name, g.Count(), g.Sum(t => t.ElementCount), g.Sum(t => t.ByteSize)))
        .OrderByDescending(t => t.Bytes);

    private static string Size(long bytes) => bytes switch
    {
        < 1 << 10 => Invariant($"{bytes} bytes"),
        < 1 << 20 => Invariant($"{bytes / 1024.0:0.0} KiB"),
        < 1 << 30 => Invariant($"{bytes / 1048576.0:0.0} MiB"),
        _ => Invariant($"{bytes / 1073741824.0:0.00} GiB"),
    };

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
