using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Hearth.Runtime.Protocol;

/// <summary>Biases as callers write them: OpenAI's object of token ids, or llama-server's array of pairs of an id or a text and a number or false.</summary>
/// <remarks>In an object a key of digits is an id, any other a text. False forbids; so does -100.</remarks>
[JsonConverter(typeof(WireBiasesConverter))]
internal sealed class WireBiases
{
    /// <summary>By token id.</summary>
    public Dictionary<int, float> Tokens { get; } = [];

    /// <summary>By text: every token of its spelling.</summary>
    public Dictionary<string, float> Texts { get; } = [];

    /// <summary>The first that is out of range, in the caller's words; null for none.</summary>
    public string? FindFault()
        => Tokens.Where(pair => !IsInRange(pair.Value)).Select(pair => Fault($"token {pair.Key}", pair.Value)).FirstOrDefault()
        ?? Texts.Where(pair => !IsInRange(pair.Value)).Select(pair => Fault($"'{pair.Key}'", pair.Value)).FirstOrDefault();

    /// <summary>A bias as the runtime takes it.</summary>
    public static float ToRuntime(float bias) => bias == WireNames.ForbiddingBias ? float.NegativeInfinity : bias;

    /// <summary>A bias as it is written.</summary>
    public static float ToWire(float bias) => float.IsNegativeInfinity(bias) ? WireNames.ForbiddingBias : bias;

    private static bool IsInRange(float bias) => bias is >= WireNames.ForbiddingBias and <= -WireNames.ForbiddingBias;

    private static string Fault(string what, float bias) => string.Create(CultureInfo.InvariantCulture, $"of {what} must be between -100 and 100, found {bias}");
}

internal sealed class WireBiasesConverter : JsonConverter<WireBiases>
{
    private const string Shape = "must be an object of token ids or texts and numbers, or an array of pairs [token id or text, number or false]";

    public override WireBiases Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        using var document = JsonDocument.ParseValue(ref reader);
        var biases = new WireBiases();
        switch (document.RootElement)
        {
            case { ValueKind: JsonValueKind.Object } members:
                foreach (var member in members.EnumerateObject())
                {
                    var bias = Bias(member.Value);
                    if (int.TryParse(member.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
                        biases.Tokens[id] = bias;
                    else
                        biases.Texts[member.Name] = bias;
                }

                return biases;
            case { ValueKind: JsonValueKind.Array } pairs:
                foreach (var pair in pairs.EnumerateArray())
                    Add(biases, pair);
                return biases;
            default:
                throw new ProtocolException(Shape);
        }
    }

    public override void Write(Utf8JsonWriter writer, WireBiases value, JsonSerializerOptions options)
    {
        if (value.Texts.Count == 0)
        {
            writer.WriteStartObject();
            foreach (var (id, bias) in value.Tokens)
                writer.WriteNumber(id.ToString(CultureInfo.InvariantCulture), bias);
            writer.WriteEndObject();
            return;
        }

        writer.WriteStartArray();
        foreach (var (id, bias) in value.Tokens)
        {
            writer.WriteStartArray();
            writer.WriteNumberValue(id);
            writer.WriteNumberValue(bias);
            writer.WriteEndArray();
        }

        foreach (var (text, bias) in value.Texts)
        {
            writer.WriteStartArray();
            writer.WriteStringValue(text);
            writer.WriteNumberValue(bias);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
    }

    private static void Add(WireBiases biases, JsonElement pair)
    {
        if (pair.ValueKind != JsonValueKind.Array || pair.GetArrayLength() != 2)
            throw new ProtocolException(Shape);
        var bias = Bias(pair[1]);
        if (pair[0].ValueKind == JsonValueKind.String)
            biases.Texts[pair[0].GetString()!] = bias;
        else if (pair[0].ValueKind == JsonValueKind.Number && pair[0].TryGetInt32(out var id))
            biases.Tokens[id] = bias;
        else
            throw new ProtocolException(Shape);
    }

    private static float Bias(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => value.GetSingle(),
        JsonValueKind.False => WireNames.ForbiddingBias,
        _ => throw new ProtocolException(Shape),
    };
}
