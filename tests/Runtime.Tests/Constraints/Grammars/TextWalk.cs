using System.Text;
using Hearth.Runtime.Constraints.Machine;

namespace Hearth.Runtime.Tests.Constraints.Grammars;

/// <summary>Walks texts byte by byte through a machine.</summary>
internal static class TextWalk
{
    /// <summary>Whether a machine allows a whole text.</summary>
    public static bool Accepts(PushdownMachine machine, string text) => After(machine, text).CanEnd;

    /// <summary>The state after a text's bytes; dead where one of them is not allowed.</summary>
    public static MachineState After(PushdownMachine machine, string text) => After(machine, Encoding.UTF8.GetBytes(text));

    public static MachineState After(PushdownMachine machine, ReadOnlySpan<byte> bytes)
    {
        var state = machine.Start;
        foreach (var value in bytes)
        {
            state = machine.Next(state, value);
        }

        return state;
    }

    /// <summary>The first byte that is not allowed; the length where none is but the text must go on; null where it is allowed.</summary>
    public static int? RefusedAt(PushdownMachine machine, string text)
    {
        var (state, bytes) = (machine.Start, Encoding.UTF8.GetBytes(text));
        for (var i = 0; i < bytes.Length; i++)
        {
            state = machine.Next(state, bytes[i]);
            if (state.IsDead)
            {
                return i;
            }
        }

        return state.CanEnd ? null : bytes.Length;
    }
}
