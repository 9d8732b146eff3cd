using System.Reflection;
using Hearth.Runtime.Protocol;

namespace Hearth.Runtime.Tests;

public sealed class GenerationOptionsTests
{
    private static IEnumerable<PropertyInfo> Members
        => typeof(GenerationOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanWrite);

    [Fact]
    public void Every_option_is_in_the_table_once()
        => Assert.Equal(Members.Select(member => member.Name).Order(), GenerationOptions.Table.Select(option => option.Name).Order());

    [Fact]
    public void Every_option_has_a_field_over_HTTP()
    {
        var fields = ProtocolJson.Wire.CompletionRequest.Properties.Select(property => property.Name).ToHashSet();
        Assert.All(GenerationOptions.Table, option => Assert.Contains(option.WireName, fields));
    }

    [Fact]
    public void Defaults_are_within_their_ranges()
    {
        foreach (var option in GenerationOptions.Table.OfType<NumberOption<float>>())
            Assert.Null(option.FindFault(option.With(GenerationOptions.Default, option.Default), null));
        foreach (var option in GenerationOptions.Table.OfType<NumberOption<int>>())
            Assert.Null(option.FindFault(option.With(GenerationOptions.Default, option.Default), null));
    }

    [Fact]
    public void A_fault_tells_option_and_reason()
    {
        var fault = new GenerationOptions { TopP = 1.5f }.FindFault()!;
        Assert.Equal(("TopP", "must be between 0 and 1, found 1.5", "TopP must be between 0 and 1, found 1.5"), (fault.Option, fault.Reason, fault.Message));
        Assert.Equal(("top_p", "--top-p"), (GenerationOption.WireNameOf("TopP"), GenerationOption.FlagOfMember("TopP")));
    }
}
