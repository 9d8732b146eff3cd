using System.Diagnostics.CodeAnalysis;
using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Patterns;

internal static class StringFormats
{
    public static bool TryGet(string name, ExpressionFactory factory, [NotNullWhen(true)] out Expression? expression)
    {
        expression = null;
        return false;
    }

    public static bool IsKnown(string name) => false;
}
