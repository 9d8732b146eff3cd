using System.Globalization;

namespace Hearth.Runtime.Protocol;

/// <summary>Seeds as callers write them: OpenAI's are signed 64-bit integers, Hearth's have no sign, so negative ones wrap around.</summary>
internal static class SeedText
{
    /// <summary>The seed that asks for a fresh one.</summary>
    public const string Fresh = "-1";

    /// <summary>Reads a seed; one that asks for a fresh one is for the caller to look for.</summary>
    public static bool TryParse(string? text, out ulong seed)
    {
        if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out seed))
            return true;
        var isSigned = long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var signed);
        seed = unchecked((ulong)signed);
        return isSigned;
    }
}
