using Hearth.Runtime.Tokenizers.Text;

namespace Hearth.Runtime.Tokenizers;

/// <summary>The tokens of a model with all that its file and the reference's rules say of them. Immutable once read.</summary>
internal sealed class Vocabulary
{
    /// <summary>The tokens' spellings; the number of a spelling is its id.</summary>
    public required ByteStringTable Tokens { get; init; }

    /// <summary>One score a token; zeros where the file has none.</summary>
    public required float[] Scores { get; init; }

    /// <summary>One set of attributes a token.</summary>
    public required TokenAttributes[] Attributes { get; init; }

    /// <summary>Tokens with a role of their own.</summary>
    public SpecialTokenIds Special { get; } = new();

    /// <summary>Tokens that end generation.</summary>
    public HashSet<int> EndOfGeneration { get; } = [];

    /// <summary>Tokens that must not be generated.</summary>
    public int[] Suppressed { get; set; } = [];

    /// <summary>What in the file is odd and was read all the same: a sentence each, for the user.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>The name in <c>tokenizer.ggml.model</c>.</summary>
    public required string Model { get; init; }

    /// <summary>The file named in errors, or null.</summary>
    public string? Source { get; init; }

    /// <summary>A space is put before each stretch of raw text.</summary>
    public bool AddsSpacePrefix { get; set; }

    /// <summary>Runs of spaces shrink to one, and those at either end go.</summary>
    public bool RemovesExtraSpaces { get; set; }

    /// <summary>Spaces are spelled U+2581.</summary>
    public bool EscapesSpaces { get; set; }

    /// <summary>Encoded texts begin with the begin-of-text token.</summary>
    public bool AddsBeginOfText { get; set; }

    /// <summary>Encoded texts end with the end-of-text token.</summary>
    public bool AddsEndOfText { get; set; }

    /// <summary>Text becomes lower case first.</summary>
    public bool Lowercases { get; set; }

    /// <summary>Accents are dropped first.</summary>
    public bool StripsAccents { get; set; }

    public int Count => Attributes.Length;

    public bool Has(int id, TokenAttributes any) => (Attributes[id] & any) != 0;

    /// <summary>The token spelled <c>&lt;0xHH&gt;</c>, or the byte itself, or -1.</summary>
    public int FindByte(byte value)
    {
        const string Hex = "0123456789ABCDEF";
        ReadOnlySpan<byte> name = [(byte)'<', (byte)'0', (byte)'x', (byte)Hex[value >> 4], (byte)Hex[value & 15], (byte)'>'];
        return Tokens.Find(name) is >= 0 and var id ? id : Tokens.Find([value]);
    }

    /// <summary>The byte that a token of kind Byte stands for: the two hexadecimal digits after its first three characters.</summary>
    public byte ByteOf(int id)
    {
        var text = Tokens[id];
        if (text.Length < 3)
        {
            throw new ModelFormatException($"token {id} has the type 'byte' but is not spelled <0xHH>", Source);
        }

        var value = 0;
        foreach (var digit in text.Slice(3, Math.Min(2, text.Length - 3)))
        {
            if (!char.IsAsciiHexDigit((char)digit))
            {
                break;
            }

            value = (value * 16) + Convert.ToInt32(((char)digit).ToString(), 16);
        }

        return (byte)value;
    }
}
