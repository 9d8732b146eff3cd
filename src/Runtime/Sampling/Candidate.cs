namespace Hearth.Runtime.Sampling;

/// <summary>A token and its logit in one 64-bit number that orders by logit, equal logits by rising id.</summary>
/// <remarks>
/// The greater number is the likelier candidate. No two tokens compare equal, so every selection has one right
/// answer, whatever algorithm finds it. NaN has no place in this order: <see cref="Logits.Maximum"/> removes it first.
/// </remarks>
internal static class Candidate
{
    public static ulong Pack(int token, float logit)
    {
        // Adding zero makes one of both zeros, which compare equal as floats and must here too.
        var bits = BitConverter.SingleToUInt32Bits(logit + 0f);
        var ordered = (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
        return ((ulong)ordered << 32) | ~(uint)token;
    }

    public static int Token(ulong candidate) => (int)~(uint)candidate;

    public static float Logit(ulong candidate)
    {
        var ordered = (uint)(candidate >> 32);
        return BitConverter.UInt32BitsToSingle((ordered & 0x80000000) != 0 ? ordered & 0x7FFFFFFF : ~ordered);
    }
}
