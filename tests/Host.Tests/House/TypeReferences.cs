using System.Reflection;
using System.Reflection.Emit;

namespace Hearth.Host.Tests.House;

/// <summary>Which types of an assembly use which others of it: in signatures, fields, bases, attributes and instructions.</summary>
/// <remarks>Constants are not seen: the compiler leaves their values only.</remarks>
internal static class TypeReferences
{
    private const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<short, OpCode> s_codes = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => code.Value);

    /// <summary>Pairs of outermost types, the user first.</summary>
    public static IReadOnlySet<(Type User, Type Used)> Of(Assembly assembly)
    {
        var pairs = new HashSet<(Type, Type)>();
        foreach (var type in assembly.GetTypes())
        {
            var user = Outermost(type);
            foreach (var used in Used(type).SelectMany(Parts))
            {
                if (used.Assembly == assembly && Outermost(used) != user)
                    pairs.Add((user, Outermost(used)));
            }
        }

        return pairs;
    }

    private static Type Outermost(Type type)
    {
        while (type.DeclaringType is { } outer)
            type = outer;
        return type.IsGenericType ? type.GetGenericTypeDefinition() : type;
    }

    private static IEnumerable<Type> Parts(Type? type)
    {
        if (type is null || type.IsGenericParameter)
            yield break;
        if (type.HasElementType)
        {
            foreach (var part in Parts(type.GetElementType()))
                yield return part;
            yield break;
        }

        yield return type;
        foreach (var part in type.IsGenericType ? type.GetGenericArguments().SelectMany(Parts) : [])
            yield return part;
    }

    private static IEnumerable<Type?> Used(Type type)
    {
        yield return type.BaseType;
        foreach (var contract in type.GetInterfaces())
            yield return contract;
        foreach (var attribute in type.GetCustomAttributesData())
            yield return attribute.AttributeType;
        foreach (var field in type.GetFields(All))
            yield return field.FieldType;
        foreach (var method in type.GetMembers(All).OfType<MethodBase>())
        {
            yield return (method as MethodInfo)?.ReturnType;
            foreach (var parameter in method.GetParameters())
                yield return parameter.ParameterType;
            foreach (var used in InBody(method))
                yield return used;
        }
    }

    private static IEnumerable<Type?> InBody(MethodBase method)
    {
        if (method.GetMethodBody() is not { } body)
            yield break;
        foreach (var local in body.LocalVariables)
            yield return local.LocalType;
        foreach (var clause in body.ExceptionHandlingClauses.Where(clause => clause.Flags == ExceptionHandlingClauseOptions.Clause))
            yield return clause.CatchType;
        foreach (var token in Tokens(body.GetILAsByteArray()!))
        {
            var member = method.Module.ResolveMember(token, method.DeclaringType is { IsGenericType: true } owner ? owner.GetGenericArguments() : null, method.IsGenericMethod ? method.GetGenericArguments() : null);
            yield return member as Type ?? member!.DeclaringType;
            if (member is MethodInfo { IsGenericMethod: true } generic)
            {
                foreach (var argument in generic.GetGenericArguments())
                    yield return argument;
            }
        }
    }

    private static List<int> Tokens(byte[] code)
    {
        var tokens = new List<int>();
        for (var at = 0; at < code.Length;)
        {
            var opcode = s_codes[code[at] == 0xFE ? unchecked((short)(0xFE00 | code[at + 1])) : code[at]];
            at += opcode.Size;
            if (opcode.OperandType is OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineType)
                tokens.Add(BitConverter.ToInt32(code, at));
            at += opcode.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(code, at)),
                _ => 4,
            };
        }

        return tokens;
    }
}
