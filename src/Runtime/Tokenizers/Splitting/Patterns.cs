using System.Text.RegularExpressions;

namespace Hearth.Runtime.Tokenizers.Splitting;

/// <summary>The pre-tokenizers' expressions that no hand-written scanner covers, over <see cref="Units"/>.</summary>
/// <remarks>
/// Categories stand for the units they fold to, so <c>\p{L}</c> reads <c>[A-Za-z\u00D2]</c>. Where an author's expression
/// tells upper from lower case, the reference can tell them for ASCII only; the ids must equal the reference's.
/// </remarks>
internal static partial class Patterns
{
    private const string Contraction = "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])";
    private const string Letters = $"[^\\r\\n{Units.L}{Units.N}]?[{Units.L}]+";
    private const string Spaces = "\\s+(?!\\S)|\\s+";
    private const string LinesAndSpaces = $"\\s*[\\r\\n]+|{Spaces}";
    private const string Others = $" ?[^\\s{Units.L}{Units.N}]+";
    private const string CasedWord = $"[^\\r\\n{Units.L}{Units.N}]?[{Units.NotLower}]*[{Units.NotUpper}]+";
    private const string UpperWord = $"[^\\r\\n{Units.L}{Units.N}]?[{Units.NotLower}]+[{Units.NotUpper}]*";
    private const string MarkedCasedWord = $"[^\\r\\n{Units.L}{Units.N}]?[{Units.NotLower}{Units.M}]*[{Units.NotUpper}{Units.M}]+";
    private const string MarkedUpperWord = $"[^\\r\\n{Units.L}{Units.N}]?[{Units.NotLower}{Units.M}]+[{Units.NotUpper}{Units.M}]*";
    private const string MarkedWord = $"[^\\r\\n{Units.L}{Units.N}]?[{Units.L}{Units.M}]+";
    private const string Number3 = $"[{Units.N}]{{1,3}}";
    private const string SlashTail = "[\\r\\n/]*";

    /// <summary>DeepSeek V3 and AFMoE, after their own stages for numbers and ideographs.</summary>
    [GeneratedRegex($"[!-/:-@\\[-`{{-~][A-Za-z]+|[^\\r\\n{Units.L}{Units.P}{Units.S}]?[{Units.L}{Units.M}]+| ?[{Units.P}{Units.S}]+[\\r\\n]*|{LinesAndSpaces}")]
    public static partial Regex DeepSeekV3 { get; }

    [GeneratedRegex($"{MarkedWord}(?:{Contraction})?|[{Units.N}]|{Others}{SlashTail}|{LinesAndSpaces}")]
    public static partial Regex Youtu { get; }

    [GeneratedRegex($"{CasedWord}|{UpperWord}|[{Units.N}]|{Others}{SlashTail}|{LinesAndSpaces}")]
    public static partial Regex Tekken { get; }

    [GeneratedRegex($"{CasedWord}(?:{Contraction})?|{UpperWord}(?:{Contraction})?|{Number3}|{Others}{SlashTail}|{LinesAndSpaces}")]
    public static partial Regex Gpt4O { get; }

    [GeneratedRegex($"{MarkedCasedWord}(?:{Contraction})?|{MarkedUpperWord}(?:{Contraction})?|{Number3}|{Others}{SlashTail}|{LinesAndSpaces}")]
    public static partial Regex GraniteEmbedding { get; }

    [GeneratedRegex($"{MarkedWord}(?:{Contraction})?|{Number3}|{Others}{SlashTail}|{LinesAndSpaces}")]
    public static partial Regex TinyAya { get; }

    [GeneratedRegex($"{Contraction}|{Letters}|[{Units.N}]|{Others}[\\r\\n]*|\\s*[\\r\\n]|{Spaces}")]
    public static partial Regex BailingMoe { get; }

    [GeneratedRegex($"{Contraction}|{Letters}|[{Units.N}]| ?[^\\s{Units.L}{Units.N}\\r\\n]+|{LinesAndSpaces}")]
    public static partial Regex SeedCoder { get; }

    [GeneratedRegex($"{Contraction}|[^\\r\\n{Units.L}{Units.N}]?(?:[{Units.L}][{Units.M}]*(?: [{Units.L}][{Units.M}]*)*)+|[{Units.N}]|{Others}[\\r\\n/]?|\\s*[\\r\\n]|{Spaces}")]
    public static partial Regex ExaoneMoe { get; }

    [GeneratedRegex($"{Contraction}|{Letters}|[{Units.N}]+|{Others}[\\r\\n]*|{LinesAndSpaces}")]
    public static partial Regex MiniCpm5 { get; }

    [GeneratedRegex($"{Contraction}|{Letters}|{Number3}|{Others}[\\r\\n]*|\\s*[\\r\\n]+|\\s{{512}}(?!\\S)|\\s{{256}}(?!\\S)|\\s{{128}}(?!\\S)|\\s{{64}}(?!\\S)|\\s{{32}}(?!\\S)|\\s{{16}}(?!\\S)|\\s{{8}}(?!\\S)|\\s{{4}}(?!\\S)|\\s{{1,2}}(?!\\S)|\\s")]
    public static partial Regex Jais2 { get; }

    [GeneratedRegex("<sentinel:[0-9]+>")]
    public static partial Regex ChameleonSentinel { get; }

    [GeneratedRegex("IMGIMG[A-I]{1,4}Z")]
    public static partial Regex ChameleonImage { get; }

    [GeneratedRegex("[\\t\\n]|    |  ")]
    public static partial Regex ChameleonIndent { get; }
}
